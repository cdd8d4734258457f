// Opaque window panes: dark, with vague shapes behind them and reflections.

void surface(inout Surface s) {
    s.base *= 0.5 + 1.0 * texture(noise, region.xy * 0.09 + region.z).r;
    s.normal = normalize(s.normal + 0.05 * (texture(noise, position.xy * 0.05 + position.z * 0.03).bab - 0.5));
    s.gloss = 0.8;
    s.mirror = 0.9;
}
