// Slabs with joints, in a grid or, for seeds above 0.5, in a running bond; u and v count slabs.

void surface(inout Surface s) {
    vec2 step_size = fwidth(region.xy), slab = region.xy;
    slab.x += 0.5 * mod(floor(slab.y), 2.0) * step(0.5, region.z);
    vec2 at = fract(slab);
    float far = smoothstep(0.1, 0.5, max(step_size.x, step_size.y)), joint = step(0.025, at.x) * step(0.025, at.y);
    float tone = 0.87 + 0.2 * random(floor(slab) + region.z), stain = texture(noise, position.xz * 0.11).r;
    s.base *= mix(mix(0.62, 1.0, joint) * tone, 0.95, far) * (0.8 + 0.4 * texture(noise, position.xz * 0.037 + region.z).r);
    s.base *= 0.94 + 0.12 * texture(noise, position.xz * 0.9).g;
    float puddle = smoothstep(0.48, 0.66, stain);
    s.mirror = wetness * (0.2 + 0.45 * puddle);
    s.base *= 1.0 - wetness * (0.35 + 0.25 * puddle);
}
