// Painted walls, concrete kerbs, wood, metal: one colour, a little stained.

void surface(inout Surface s) {
    s.base *= 0.7 + 0.6 * texture(noise, region.xy * 0.1 + region.z).r;
}
