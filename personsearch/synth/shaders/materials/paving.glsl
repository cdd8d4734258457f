// Slabs with joints; u and v count slabs.

void surface(inout Surface s) {
    vec2 at = fract(region.xy), step_size = fwidth(region.xy);
    float far = smoothstep(0.15, 0.6, max(step_size.x, step_size.y));
    float joint = step(0.03, at.x) * step(0.03, at.y);
    float slab = 0.86 + 0.22 * random(floor(region.xy) + region.z);
    s.base *= mix(mix(0.6, 1.0, joint) * slab, 0.94, far) * (0.85 + 0.3 * texture(noise, position.xz * 0.15).r);
    s.mirror = wetness * (0.35 + 0.65 * smoothstep(0.45, 0.62, texture(noise, position.xz * 0.11).r));
    s.base *= 1.0 - 0.4 * wetness;
}
