// Lawn.

void surface(inout Surface s) {
    float blade = texture(noise, region.xy * 1.1).g, patch_ = texture(noise, region.xy * 0.07 + region.z).r;
    s.base *= (0.55 + 0.8 * blade * blade * 1.4) * (0.75 + 0.5 * patch_);
    s.openness = 0.75 + 0.4 * blade;
}
