// Bark: furrows along the trunk.

void surface(inout Surface s) {
    float furrow = texture(noise, vec2((position.x + position.z) * 1.6 + region.z, position.y * 0.25)).g;
    s.base *= 0.45 + 1.1 * furrow;
    s.openness = 0.7 + 0.5 * furrow;
}
