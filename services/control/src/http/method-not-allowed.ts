/** Which methods an app has for paths of one shape. */
export interface ServedRoute {
  method: string;
  path: string;
}

/** The methods that a path is served with, HEAD with every GET; empty: the path is not served at all. */
export function allowedMethods(routes: readonly ServedRoute[], path: string): string[] {
  const steps = path.split("/");
  const methods = new Set<string>();
  for (const route of routes) {
    if (route.method === "ALL" || !covers(route.path.split("/"), steps)) continue;
    methods.add(route.method);
    if (route.method === "GET") methods.add("HEAD");
  }
  return [...methods].sort();
}

function covers(pattern: readonly string[], steps: readonly string[]): boolean {
  return (
    pattern.length === steps.length &&
    pattern.every((part, index) => (part.startsWith(":") ? steps[index] !== "" : part === steps[index]))
  );
}
