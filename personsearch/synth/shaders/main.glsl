// Lights the surface that the material's surface() describes. Comes after common.glsl and the material's file.

void main() {
#ifdef PEOPLE
    if (hidden()) discard;
#endif
    vec3 view = eye - position;
    float distance = length(view);
    view /= distance;
    vec3 outward = normalize(normal);
    if (dot(outward, view) < 0.0) outward = -outward;
    vec3 own = colour;
#ifdef PHOTO
    own *= pow(texture(picture, region.xy).rgb, vec3(2.2));
#endif
    Surface s = Surface(own, outward, 1.0, 0.02, 0.0, vec3(0));
    surface(s);

    float lit = sunlit(position), facing = max(dot(s.normal, sun_direction), 0.0);
    vec3 light = s.base * (sun * facing * lit + mix(ground, sky, s.normal.y * 0.5 + 0.5) * s.openness);
    vec3 halfway = normalize(sun_direction + view);
    light += s.gloss * sun * lit * 0.5 * pow(max(dot(s.normal, halfway), 0.0), 24.0);
    float grazing = pow(1.0 - max(dot(s.normal, view), 0.0), 4.0);
    light += s.gloss * sky * 0.15 * grazing;
    if (s.mirror > 0.0) {
        vec3 mirrored = reflect(-view, s.normal);
        light = mix(light, mix(fog, sky, clamp(mirrored.y, 0.0, 1.0)), s.mirror * (0.06 + 0.8 * grazing));
    }
#ifdef LAMPS
    for (int i = 0; i < LAMPS; i++) {
        vec3 towards = lamp_position[i] - position;
        float squared = dot(towards, towards);
        towards *= inversesqrt(squared);
        vec3 shine = lamp_colour[i] / (1.0 + squared) * (0.35 + 0.65 * clamp(towards.y, 0.0, 1.0));
        light += s.base * shine * max(dot(s.normal, towards) * 0.8 + 0.2, 0.0);
        vec3 middle = normalize(towards + view);
        light += (s.mirror * 1.5 + s.gloss) * shine * pow(max(dot(s.normal, middle), 0.0), 60.0);
    }
#endif
    pixel = vec4(developed(hazy(light, distance) + s.glow), owner);
}
