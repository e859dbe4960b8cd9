/** The names of the environment variables that a process's configuration looks at, found by letting it look at an empty environment. */
export function variablesReadBy(readConfig: (env: NodeJS.ProcessEnv) => unknown): Set<string> {
  const names = new Set<string>();
  const env = new Proxy<NodeJS.ProcessEnv>(
    {},
    {
      get(_, name) {
        if (typeof name === "string") names.add(name);
        return undefined;
      },
    },
  );
  try {
    readConfig(env);
  } catch {
    // That something required is missing is no matter here.
  }
  return names;
}
