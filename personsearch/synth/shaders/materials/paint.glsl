// Car paint, glass and polished metal.

void surface(inout Surface s) {
    s.base *= 0.94 + 0.12 * texture(noise, region.xy * 0.2).r;
    s.gloss = 0.7;
    s.mirror = 0.5;
}
