in vec3 in_position;   // posed, world
in vec3 in_normal;
in vec3 in_rest;
in vec4 in_region;     // arm, leg, front or lips, height above the hairline
uniform mat4 to_clip;
out vec3 position, normal, rest, colour;
out vec4 region;

void main() {
    position = in_position;
    normal = in_normal;
    rest = in_rest;
    region = in_region;
    colour = vec3(1);
    gl_Position = to_clip * vec4(in_position, 1);
}
