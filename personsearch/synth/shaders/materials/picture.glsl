// Posters and signs: a picture, u and v 0..1.

void surface(inout Surface s) {
    s.base = pow(texture(picture, region.xy).rgb, vec3(2.2));
}
