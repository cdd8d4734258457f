// Clothes. PATTERN and STRAP are compiled in, because software rendering executes every branch.

uniform vec3 base, second, third, strap_colour;
uniform float pattern_scale, seed, gloss, wrinkles, band_height, front_opening, zip_width;
#ifdef CLOTH
uniform vec3 cloth_mean;
uniform float cloth_repeats, cloth_strength;
#endif
uniform vec4 cut;        // sleeve ends, leg ends, lower edge, upper edge
uniform vec3 print_box;  // x, y of its middle, size; metres of the rest pose
uniform vec4 strap;      // x at the neck, slope, half width, lower end or height of the neck

bool hidden() {
    if (region.x > cut.x || region.y > cut.y || rest.y < cut.z || rest.y > cut.w) return true;
    return front_opening > 0.0 && region.z > 0.0 && region.x < 0.1
        && abs(rest.x) < front_opening * (0.6 + 1.2 * clamp((cut.w - rest.y) * 2.0, 0.0, 1.0));
}

vec3 pattern(vec2 at) {
    vec2 p = at * pattern_scale;
#if PATTERN == 0    // plain
    return base;
#elif PATTERN == 1  // stripes
    return mix(base, second, step(0.5, fract(p.y)));
#elif PATTERN == 2  // pinstripes
    return mix(base, second, step(0.75, fract(p.x)));
#elif PATTERN == 3  // plaid
    float across = step(0.6, fract(p.x)), down = step(0.6, fract(p.y));
    float thin = step(0.92, fract(p.x * 0.5)) * 0.6 + step(0.92, fract(p.y * 0.5)) * 0.4;
    return mix(mix(base, second, 0.5 * (across + down)), third, thin);
#elif PATTERN == 4  // dots
    return mix(base, second, 1.0 - smoothstep(0.22, 0.28, length(fract(p) - 0.5)));
#elif PATTERN == 5  // camouflage
    float one = texture(noise, p * 0.12 + seed).r, two = texture(noise, p * 0.12 + seed + 0.37).r;
    return one > 0.56 ? second : (two > 0.54 ? third : base);
#elif PATTERN == 6  // one colour above another
    return rest.y > band_height ? base : second;
#elif PATTERN == 7  // checks
    return mix(base, second, mod(floor(p.x) + floor(p.y), 2.0));
#elif PATTERN == 8  // marl
    return mix(base, second, clamp(texture(noise, p * 0.3 + seed).g * 1.6 - 0.3, 0.0, 1.0));
#elif PATTERN == 9  // gradient
    return mix(base, second, smoothstep(band_height - 0.2, band_height + 0.2, rest.y));
#else               // stripes across the chest
    return mix(base, second, step(0.5, fract(p.y)) * step(abs(rest.y - band_height), 0.09));
#endif
}

void surface(inout Surface s) {
    vec2 at = region.x > 0.15 ? vec2(rest.z, -region.x * 0.3) : rest.xy;
    s.base = pattern(at);
#ifdef CLOTH  // the weave of a photographed cloth; garments that have it have no print
    vec3 weave = pow(texture(picture, at * cloth_repeats).rgb, vec3(2.2)) / cloth_mean;
    s.base *= mix(vec3(1), clamp(weave, 0.15, 2.5), cloth_strength);
#endif
    vec4 fold = texture(noise, rest.xy * vec2(1.5, 0.6) + vec2(rest.z * 0.9 + seed, seed));
    s.normal = normalize(s.normal + wrinkles * vec3(fold.b - 0.5, fold.a - 0.5, fold.b - 0.5));
    s.openness = 0.86 + 0.24 * fold.r;
    s.gloss = gloss;
    s.base *= 0.95 + 0.1 * texture(noise, at * 9.0).g;
    bool trunk = region.x < 0.12;
    vec2 q = (rest.xy - print_box.xy) / max(print_box.z, 1e-3) + 0.5;
    if (print_box.z > 0.0 && trunk && region.z > 0.15 && all(greaterThan(q, vec2(0))) && all(lessThan(q, vec2(1)))) {
        vec4 ink = texture(picture, vec2(q.x, 1.0 - q.y));
        s.base = mix(s.base, pow(ink.rgb, vec3(2.2)), ink.a);
    }
    if (abs(rest.x) < zip_width && region.z > 0.0 && trunk) s.base = mix(s.base, second, 0.8);
    s.openness *= 1.0 - 0.35 * smoothstep(0.025, 0.0, min(rest.y - cut.z, cut.w - rest.y));  // seams
#if STRAP == 1
    float off = abs(abs(rest.x) - strap.x) / strap.z;
    bool on = region.z > 0.0 ? rest.y > strap.w : true;
#elif STRAP == 2
    float off = abs(rest.x - (strap.x + strap.y * (strap.w - rest.y))) / strap.z;
    bool on = true;
#endif
#if STRAP > 0
    if (off < 1.0 && on && region.x < 0.3) {
        s.base = strap_colour * (1.0 - 0.5 * smoothstep(0.7, 1.0, off));
        s.gloss = 0.1;
    } else {
        s.openness *= 1.0 - 0.3 * smoothstep(1.5, 1.0, off) * float(on && region.x < 0.3);
    }
#endif
}
