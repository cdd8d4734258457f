// Draws openapi.json. All texts become text nodes, so that nothing in them is ever taken for markup.

const about = document.getElementById("about");
const routes = document.getElementById("routes");

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function resolve(document, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? { ...document.components.schemas[name], named: name } : schema ?? {};
}

function kind(document, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((one) => kind(document, one)).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map((one) => kind(document, one)).join(", ")}]`;
  if (schema.type === "array") return `list of ${kind(document, schema.items)}`;
  if (schema.format === "binary") return "file";
  const bounds = [];
  if (schema.minimum !== undefined) bounds.push(`from ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) bounds.push(`above ${schema.exclusiveMinimum}`);
  if (schema.maximum < Number.MAX_SAFE_INTEGER) bounds.push(`to ${schema.maximum}`);
  if (schema.exclusiveMaximum !== undefined) bounds.push(`below ${schema.exclusiveMaximum}`);
  return [schema.type ?? "text", ...bounds].join(" ");
}

function fact(name, what, description, extra = "") {
  return element("tr", {}, element("th", {}, name), element("td", { class: "kind" }, what),
    element("td", {}, [description, extra].filter(Boolean).join(" ")));
}

function fields(document, schema) {
  const whole = resolve(document, schema);
  const rows = Object.entries(whole.properties ?? {}).map(([name, one]) => {
    const needed = whole.required?.includes(name) ? "Required." : "";
    const standard = one.default === undefined || one.default === null ? "" : `Default ${JSON.stringify(one.default)}.`;
    return fact(name, kind(document, one), one.description ?? "", needed || standard);
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function titled(title, body) {
  return [element("h3", {}, title), body];
}

function route(document, path, method, operation) {
  const parts = [element("p", {}, operation.description ?? "")];
  if (operation.parameters?.length) {
    const rows = operation.parameters.map((one) => fact(one.name, kind(document, one.schema), one.description ?? "",
      one.required ? "Required." : one.schema.default == null ? "" : `Default ${JSON.stringify(one.schema.default)}.`));
    parts.push(...titled("Parameters", element("table", {}, element("tbody", {}, ...rows))));
  }
  for (const [type, one] of Object.entries(operation.requestBody?.content ?? {})) {
    parts.push(...titled(`Body: ${type}`, fields(document, one.schema)));
  }
  const answers = Object.entries(operation.responses).map(([status, one]) => {
    const [type, content] = Object.entries(one.content ?? {})[0] ?? ["", {}];
    const what = type === "application/json" ? kind(document, content.schema) : type;
    return fact(status, what, one.description ?? "");
  });
  parts.push(...titled("Answers", element("table", {}, element("tbody", {}, ...answers))));
  const success = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const schema = success?.[1].content?.["application/json"]?.schema;
  if (schema?.$ref) parts.push(...titled(kind(document, schema), fields(document, schema)));
  return element("details", {},
    element("summary", {}, element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("span", { class: "path" }, path), element("span", { class: "what" }, operation.summary ?? "")),
    element("div", { class: "inside" }, ...parts));
}

async function draw() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error((await answer.json()).error);
  const document = await answer.json();
  about.replaceChildren(`Version ${document.info.version}. ${document.info.description} The same for programs: `,
    element("a", { href: "/openapi.json" }, "openapi.json"), ".");
  const topics = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const topic = operation.tags?.[0] ?? "other";
      if (!topics.has(topic)) topics.set(topic, []);
      topics.get(topic).push(route(document, path, method, operation));
    }
  }
  for (const [topic, list] of topics) routes.append(element("h2", {}, topic), ...list);
  const records = Object.entries(document.components.schemas).filter(([, one]) => one.properties);
  routes.append(element("h2", {}, "records"), ...records.map(([name, one]) => element("details", {},
    element("summary", {}, element("span", { class: "path" }, name), element("span", { class: "what" }, one.description ?? "")),
    element("div", { class: "inside" }, fields(document, one)))));
}

draw().catch((error) => { about.textContent = `The description cannot be read: ${error.message}`; });
