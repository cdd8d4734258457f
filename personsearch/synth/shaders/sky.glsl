in vec3 direction;
uniform vec3 sun, sky, fog;
uniform float seed;
uniform sampler2D noise;
out vec4 pixel;

void main() {
    vec3 d = normalize(direction);
    float height = clamp(d.y * 2.0, 0.0, 1.0);
    vec3 light = mix(fog, sky * vec3(0.75, 0.9, 1.25), height);
    float cloud = texture(noise, d.xz / (abs(d.y) + 0.25) * 0.12 + seed).r;
    vec3 lit_cloud = 0.95 * (sun * 0.4 + sky * 0.7);
    light = mix(light, lit_cloud, smoothstep(0.5, 0.75, cloud) * 0.8 * smoothstep(0.0, 0.1, d.y));
    pixel = vec4(pow(clamp(light / (1.0 + 0.25 * light), 0.0, 1.0), vec3(1.0 / 2.2)), 0);
}
