// Painted or rendered walls, wood, stone: one colour, slightly stained, dirtier near the ground.

void surface(inout Surface s) {
    vec4 stain = texture(noise, (position.xy + position.zy) * vec2(0.11, 0.05) + region.z);
    s.base *= (0.88 + 0.2 * stain.r) * (0.97 + 0.06 * texture(noise, region.xy * 0.7).g);
    s.base *= 0.82 + 0.18 * smoothstep(0.0, 0.5, position.y + 0.4 * stain.r);
}
