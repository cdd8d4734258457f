in vec3 in_position;
in vec3 in_normal;
in vec3 in_surface;
in vec3 in_colour;
uniform mat4 to_clip;
out vec3 position, normal, rest, colour;
out vec4 region;

void main() {
    position = rest = in_position;
    normal = in_normal;
    region = vec4(in_surface, 0);
    colour = in_colour;
    gl_Position = to_clip * vec4(in_position, 1);
}
