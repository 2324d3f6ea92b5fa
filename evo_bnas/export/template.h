/* $title
 *
 * $about
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#define ${NAME}_HEIGHT $height
#define ${NAME}_WIDTH $width
#define ${NAME}_CHANNELS $channels
#define ${NAME}_CLASSES $classes
#define ${NAME}_WHITE $white /* the largest value of a pixel; the smallest is 0 */
#define ${NAME}_ARENA_BYTES $arena
#define ${NAME}_ARENA_FLOATS (${NAME}_ARENA_BYTES / 4)

#ifdef __cplusplus
extern "C" {
#endif

extern const char *const ${name}_class_names[${NAME}_CLASSES];

/* Classify one image; returns the number of the class with the largest logit.
 *
 * pixels  the image, by rows, columns, channels
 * arena   ${NAME}_ARENA_FLOATS floats of working memory; its content before and after the call is irrelevant
 * logits  output: ${NAME}_CLASSES logits
 */
int ${name}_run(const uint8_t *pixels, float *arena, float *logits);

#ifdef __cplusplus
}
#endif

#endif
