// Tiles of walls and ceilings, with joints; u and v count tiles.

void surface(inout Surface s) {
    vec2 at = fract(region.xy), step_size = fwidth(region.xy);
    float joint = step(0.02, at.x) * step(0.02, at.y), far = smoothstep(0.1, 0.4, max(step_size.x, step_size.y));
    s.base *= mix(mix(0.7, 1.0, joint) * (0.96 + 0.06 * random(floor(region.xy) + region.z)), 0.97, far);
    s.mirror = 0.15 * region.z;
}
