/* $title
 *
 * $about
 *
 * Compile with -std=c99 -ffp-contract=off: fused multiply-adds would round differently. With
 * -D${NAME}_CHECK, a main function runs the images at the end of this file and compares the logits:
 *
 *     cc -std=c99 -O2 -ffp-contract=off -D${NAME}_CHECK $file -o check && ./check
 *
 * The table `steps` is the network. Maps are stored by rows, columns, channels. A step computes its map value by
 * value: `value_at` applies the operation, and `finish` computes
 *
 *     act2(a2 * act1(a1 * z + b1) + b2 + shortcut)
 *
 * from its result z, and stores it as a float, as one bit for each binary convolution that reads its sign, or
 * both.
 */
#include "$header"

#include <math.h> /* for HUGE_VALF; no function of libm is called */
#include <string.h>

typedef enum { IMAGE, BINARY, REAL, POOL_AVG, POOL_MAX, TILE, CONCAT, SUM, MEAN } Operation;

/* A map in the arena. The signs of a pixel are stored group by group; each group starts at a byte. */
typedef struct {
    uint32_t offset; /* bytes */
    uint16_t height, width, channels, groups;
} Map;

/* Signs of a map for one binary convolution: +1 if the value is at least the level of its channel. */
typedef struct {
    Map signs;
    const float *levels;  /* one per channel */
    const uint8_t *flips; /* one bit per channel; 1: +1 if the value is at most the level; may be 0: no flips */
} Reader;

typedef struct {
    const float *rows; /* slopes of all channels, then shifts before, then shifts after the activation */
    uint8_t shifted;   /* whether there are shifts */
} Activation;

/* One operation with its epilogue; parts that it does not have are 0. */
typedef struct {
    Operation operation;
    uint16_t height, width, channels; /* of the output */
    uint16_t kernel, stride, dilation, groups;
    uint8_t pad;     /* padding of a convolution: 1: with +1; 0: ignored */
    uint8_t unpacks; /* whether a real convolution reads signs */
    uint16_t input_count, reader_count;
    const Map *inputs, *shortcut, *real;
    const Reader *readers;
    const uint8_t *bits;                     /* channels, kernel, kernel, bytes per group */
    const float *weights;                    /* channels, kernel, kernel, cin / groups */
    const float *before, *affine1, *affine2; /* a of all channels, then b of all channels: a * x + b */
    Activation act1, act2;
} Step;

$tables
#if defined(__GNUC__)
#define POPCOUNT(word) __builtin_popcountll(word)
#else
#define POPCOUNT(word) popcount(word)
static int popcount(uint64_t word)
{
    int count = 0;
    for (; word; word &= word - 1)
        count++;
    return count;
}
#endif

static const float *floats_of(const float *arena, const Map *map)
{
    return arena + map->offset / sizeof(float);
}

static int block_bytes(const Map *map)
{
    return (map->channels / map->groups + 7) / 8;
}

static int pixel_bytes(const Map *map)
{
    return map->groups * block_bytes(map);
}

static const uint8_t *signs_of(const float *arena, const Map *map)
{
    return (const uint8_t *)arena + map->offset;
}

/* The number of bits that differ between two rows of bytes; it does not depend on the byte order. */
static int differing(const uint8_t *first, const uint8_t *second, int bytes)
{
    int count = 0;
    while (bytes > 0) {
        const int taken = bytes < 8 ? bytes : 8;
        uint64_t a = 0, b = 0;
        if (taken == 8) {
            memcpy(&a, first, 8);
            memcpy(&b, second, 8);
        } else {
            memcpy(&a, first, (size_t)taken);
            memcpy(&b, second, (size_t)taken);
        }
        count += POPCOUNT(a ^ b);
        first += taken;
        second += taken;
        bytes -= taken;
    }
    return count;
}

/* The number of bits that are set in a row of bytes. */
static int set_bits(const uint8_t *row, int bytes)
{
    int count = 0;
    for (int i = 0; i < bytes; i++)
        count += POPCOUNT((uint64_t)row[i]);
    return count;
}

static int inside(const Map *map, int row, int column)
{
    return row >= 0 && row < map->height && column >= 0 && column < map->width;
}

/* The first row or column of the window of an output row or column; it may be negative. */
static int window_start(const Step *step, int at)
{
    const int centre = step->kernel % 2 ? step->dilation * (step->kernel - 1) / 2 : 0;
    return at * step->stride - centre;
}

/* A convolution of signs with signs. Each product is +1 or -1, so the sum is an exact integer. */
static float binary(const float *arena, const Step *step, int row, int column, int channel)
{
    const Map *source = &step->inputs[0];
    const int fan_in = source->channels / source->groups, bytes = block_bytes(source);
    const uint8_t *signs = signs_of(arena, source) + channel % step->groups * bytes;
    const uint8_t *weights = step->bits + (size_t)channel * step->kernel * step->kernel * bytes;
    const int top = window_start(step, row), left = window_start(step, column);
    int32_t sum = 0;
    for (int u = 0; u < step->kernel; u++)
        for (int v = 0; v < step->kernel; v++, weights += bytes) {
            const int y = top + u * step->dilation, x = left + v * step->dilation;
            if (inside(source, y, x)) {
                const uint8_t *pixel = signs + (size_t)(y * source->width + x) * pixel_bytes(source);
                sum += fan_in - 2 * differing(weights, pixel, bytes);
            } else if (step->pad) {
                sum += 2 * set_bits(weights, bytes) - fan_in;
            }
        }
    return (float)sum;
}

/* An input of a real convolution: a sign as +1 or -1, or a float x, or a * x + b. */
static float input_at(const float *arena, const Step *step, int row, int column, int channel)
{
    const Map *source = &step->inputs[0];
    const size_t pixel = (size_t)(row * source->width + column);
    if (step->unpacks) {
        const int fan_in = source->channels / source->groups;
        const uint8_t *block =
            signs_of(arena, source) + pixel * pixel_bytes(source) + channel / fan_in * block_bytes(source);
        return block[channel % fan_in / 8] >> channel % fan_in % 8 & 1 ? 1.0f : -1.0f;
    }
    const float value = floats_of(arena, source)[pixel * source->channels + channel];
    if (!step->before)
        return value;
    const float scaled = value * step->before[channel];
    return scaled + step->before[source->channels + channel];
}

static float real(const float *arena, const Step *step, int row, int column, int channel)
{
    const Map *source = &step->inputs[0];
    const int area = step->kernel * step->kernel, fan_in = source->channels / step->groups;
    const int first = channel % step->groups * fan_in;
    const float *weights = step->weights + (size_t)channel * area * fan_in;
    const int top = window_start(step, row), left = window_start(step, column);
    float sum = 0.0f;
    for (int d = 0; d < fan_in; d++)
        for (int u = 0; u < step->kernel; u++)
            for (int v = 0; v < step->kernel; v++) {
                const int y = top + u * step->dilation, x = left + v * step->dilation;
                const float weight = weights[(u * step->kernel + v) * fan_in + d];
                if (inside(source, y, x)) {
                    const float product = weight * input_at(arena, step, y, x, first + d);
                    sum += product;
                } else if (step->pad) {
                    sum += weight;
                }
            }
    return sum;
}

/* The mean or the maximum of the part of a window that lies inside the map. */
static float pool(const float *arena, const Step *step, int row, int column, int channel)
{
    const Map *source = &step->inputs[0];
    const float *values = floats_of(arena, source);
    const int top = window_start(step, row), left = window_start(step, column);
    float sum = 0.0f, maximum = 0.0f;
    int count = 0;
    for (int y = top; y < top + step->kernel; y++)
        for (int x = left; x < left + step->kernel; x++)
            if (inside(source, y, x)) {
                const float value = values[(y * source->width + x) * source->channels + channel];
                maximum = count && maximum > value ? maximum : value;
                sum += value;
                count++;
            }
    return step->operation == POOL_MAX ? maximum : sum / (float)count;
}

static float mean(const float *arena, const Step *step, int channel)
{
    const Map *source = &step->inputs[0];
    const float *values = floats_of(arena, source) + channel;
    const int pixels = source->height * source->width;
    float sum = 0.0f;
    for (int pixel = 0; pixel < pixels; pixel++)
        sum += values[pixel * source->channels];
    return sum / (float)pixels;
}

static float value_at(
    const float *arena, const Step *step, const uint8_t *pixels, int row, int column, int channel)
{
    const size_t pixel = (size_t)(row * step->width + column);
    const Map *source = step->inputs;
    switch (step->operation) {
    case IMAGE:
        return (float)((pixels[pixel * step->channels + channel] - image_mean[channel]) / image_std[channel]);
    case BINARY:
        return binary(arena, step, row, column, channel);
    case REAL:
        return real(arena, step, row, column, channel);
    case POOL_AVG:
    case POOL_MAX:
        return pool(arena, step, row, column, channel);
    case MEAN:
        return mean(arena, step, channel);
    case TILE:
        return floats_of(arena, source)[pixel * source->channels + channel % source->channels];
    case CONCAT:
        for (; channel >= source->channels; source++)
            channel -= source->channels;
        return floats_of(arena, source)[pixel * source->channels + channel];
    case SUM:
        break;
    }
    float sum = floats_of(arena, source)[pixel * step->channels + channel];
    for (int n = 1; n < step->input_count; n++)
        sum += floats_of(arena, source + n)[pixel * step->channels + channel];
    return sum;
}

/* a * x + b; `rows` holds a of all channels, then b. Product and sum are rounded separately. */
static float affine(const float *rows, int channels, int channel, float x)
{
    const float product = x * rows[channel];
    return product + rows[channels + channel];
}

/* A PReLU, possibly with a shift before and after it; a ReLU has slope 0. */
static float activate(const Activation *act, int channels, int channel, float x)
{
    const float *row = act->rows + channel;
    const float shifted = act->shifted ? x + row[channels] : x;
    const float y = shifted > 0.0f ? shifted : shifted * row[0];
    return act->shifted ? y + row[2 * channels] : y;
}

static void finish(float *arena, const Step *step, int row, int column, int channel, float z)
{
    const size_t pixel = (size_t)(row * step->width + column);
    const int channels = step->channels;
    if (step->affine1)
        z = affine(step->affine1, channels, channel, z);
    if (step->act1.rows)
        z = activate(&step->act1, channels, channel, z);
    if (step->affine2)
        z = affine(step->affine2, channels, channel, z);
    if (step->shortcut) {
        const int repeated = step->shortcut->channels;
        z += floats_of(arena, step->shortcut)[pixel * repeated + channel % repeated];
    }
    if (step->act2.rows)
        z = activate(&step->act2, channels, channel, z);
    if (step->real)
        arena[step->real->offset / sizeof(float) + pixel * channels + channel] = z;
    for (int n = 0; n < step->reader_count; n++) {
        const Reader *reader = &step->readers[n];
        const float level = reader->levels[channel];
        const int flipped = reader->flips && reader->flips[channel / 8] >> channel % 8 & 1;
        const int fan_in = channels / reader->signs.groups, bit = channel % fan_in;
        uint8_t *byte = (uint8_t *)arena + reader->signs.offset + pixel * pixel_bytes(&reader->signs)
            + channel / fan_in * block_bytes(&reader->signs) + bit / 8;
        if (bit % 8 == 0)
            *byte = 0;
        if (flipped ? z <= level : z >= level)
            *byte = (uint8_t)(*byte | 1u << bit % 8);
    }
}

int ${name}_run(const uint8_t *pixels, float *arena, float *logits)
{
    const int count = (int)(sizeof steps / sizeof *steps);
    for (const Step *step = steps; step < steps + count; step++)
        for (int row = 0; row < step->height; row++)
            for (int column = 0; column < step->width; column++)
                for (int channel = 0; channel < step->channels; channel++)
                    finish(arena, step, row, column, channel,
                           value_at(arena, step, pixels, row, column, channel));
    memcpy(logits, floats_of(arena, steps[count - 1].real), ${NAME}_CLASSES * sizeof *logits);
    int best = 0;
    for (int class = 1; class < ${NAME}_CLASSES; class++)
        if (logits[class] > logits[best])
            best = class;
    return best;
}

#ifdef ${NAME}_CHECK
#include <stdio.h>

$check

/* On another machine, real sums may be rounded differently, hence the tolerance; classes must be equal. */
int main(void)
{
    static float arena[${NAME}_ARENA_FLOATS];
    int failures = 0;
    for (int n = 0; n < (int)(sizeof check_classes / sizeof *check_classes); n++) {
        float logits[${NAME}_CLASSES], error = 0.0f, largest = 1.0f;
        const int class = ${name}_run(check_pixels[n], arena, logits);
        for (int c = 0; c < ${NAME}_CLASSES; c++) {
            const float expected = check_logits[n][c], difference = logits[c] - expected;
            error = difference > error ? difference : -difference > error ? -difference : error;
            largest = expected > largest ? expected : -expected > largest ? -expected : largest;
        }
        const int passed = class == check_classes[n] && error <= 1e-4f * largest;
        failures += !passed;
        printf("image %d: class %s, logits within %g: %s\n", n, ${name}_class_names[class], (double)error,
               passed ? "passed" : "FAILED");
    }
    return failures != 0;
}
#endif
