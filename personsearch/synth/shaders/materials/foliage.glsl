// Leaves: their brightness varies at the scale of leaves and of twigs.

void surface(inout Surface s) {
    vec4 leaf = texture(noise, position.xy * vec2(1.1, 0.9) + position.z * 0.83 + region.z);
    float twig = texture(noise, position.zy * 0.31 + position.x * 0.23).g;
    s.base *= (0.25 + 1.5 * leaf.g) * (0.55 + 0.9 * twig);
    s.normal = normalize(s.normal + 1.2 * (leaf.bab - 0.5));
    s.openness = 0.5 + 0.7 * leaf.g;
}
