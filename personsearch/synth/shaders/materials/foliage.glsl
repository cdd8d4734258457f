// Leaves.

void surface(inout Surface s) {
    float leaf = texture(noise, position.xz * 1.3 + position.yx * 0.9 + region.z).g;
    s.base *= 0.35 + 1.5 * leaf * leaf * 1.6;
    s.normal = normalize(s.normal + 1.6 * (texture(noise, position.xy * 1.1 + position.zz * 0.7).bab - 0.5));
    s.openness = 0.55 + 0.6 * leaf;
}
