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
#define ${NAME}_WHITE $white /* pixels go from 0 to this */
#define ${NAME}_ARENA_BYTES $arena
#define ${NAME}_ARENA_FLOATS (${NAME}_ARENA_BYTES / 4)

#ifdef __cplusplus
extern "C" {
#endif

extern const char *const ${name}_class_names[${NAME}_CLASSES];

/* Classify one image; returns the number of the class whose logit is largest.
 *
 * pixels  rows, in them columns, in them channels
 * arena   working memory, of ${NAME}_ARENA_FLOATS; what it holds before and after does not matter
 * logits  one a class, written
 */
int ${name}_run(const uint8_t *pixels, float *arena, float *logits);

#ifdef __cplusplus
}
#endif

#endif
