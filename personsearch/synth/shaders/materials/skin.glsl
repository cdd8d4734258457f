// Skin with a face: lips (painted on the mesh), brows, lash lines, cheeks, a beard.

uniform vec3 base, lip_colour, hair_colour, brow_colour;
uniform vec4 shown;   // arm from, leg from, neck from (metres), leg to
uniform vec4 face;    // of the eyes: |x|, y; y of the mouth; z of the eyes
uniform float beard, scalp;

bool hidden() {
    return region.y > shown.w || !(region.x > shown.x || region.y > shown.y || rest.y > shown.z - abs(rest.x) * 0.25);
}

void surface(inout Surface s) {
    float grain = texture(noise, rest.xy * 1.7 + 0.2).r, hair = texture(noise, rest.xy * vec2(14.0, 9.0)).g;
    s.base = base * (0.92 + 0.16 * grain);
    s.gloss = 0.1;
    vec2 eye = vec2(abs(rest.x) - face.x, rest.y - face.y);
    float front = smoothstep(-0.045, -0.01, rest.z - face.w);
    s.base = mix(s.base, lip_colour, region.z * 0.75);
    float cheek = length(vec2(abs(rest.x) - face.x * 1.25, rest.y - face.y + 0.035));
    s.base *= mix(vec3(1), vec3(1.05, 0.9, 0.88), front * smoothstep(0.03, 0.0, cheek));
    float socket = length(eye * vec2(1.0, 1.7));
    s.base *= 1.0 - 0.28 * front * smoothstep(0.026, 0.010, socket);
    float arch = eye.y - 0.0215 + 5.0 * eye.x * eye.x + 0.05 * max(eye.x, 0.0);
    float brow = smoothstep(0.0045, 0.0015, abs(arch)) * smoothstep(0.022, 0.015, abs(eye.x + 0.001));
    s.base = mix(s.base, brow_colour, front * brow * (0.55 + 0.5 * hair));
    float jaw = smoothstep(0.012, -0.01, rest.y - face.z - 0.5 * max(abs(rest.x) - 0.035, 0.0) * 2.0)
        * smoothstep(shown.z, shown.z + 0.05, rest.y + 0.02);
    float upper = smoothstep(0.006, 0.0, abs(rest.y - face.z - 0.016)) * smoothstep(0.03, 0.02, abs(rest.x));
    float sides = smoothstep(-0.13, -0.06, rest.z - face.w);
    float grown = clamp((jaw * sides + upper * front) * (0.45 + 0.9 * hair), 0.0, 1.0) * beard;
    s.base = mix(s.base, hair_colour, grown * (1.0 - region.z));
    s.base = mix(s.base, hair_colour * 0.8, scalp * smoothstep(-0.01, 0.03, region.w));
}
