import { readFileSync } from "node:fs";
import type { z } from "zod";
import { knownVariables } from "./known-variables.ts";
import { nearMiss } from "./near-miss.ts";

/** Configuration that nothing can start with. The message lists every problem, one a line. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export interface ReadEnvironmentOptions {
  /** Variables that may also be given as X_FILE, the path of a file that holds the value. */
  secrets: readonly string[];
}

/**
 * The configuration of one process: the schema's keys are the names of the variables, their inputs strings or undefined.
 * An empty variable counts as unset. Throws ConfigError with every problem at once; the result is frozen.
 * A HELLOWAY_* variable that nothing reads is a problem only when it looks like a known one misspelt.
 */
export function readEnvironment<S extends z.ZodObject>(
  schema: S,
  env: NodeJS.ProcessEnv,
  options: ReadEnvironmentOptions,
): z.infer<S> {
  const problems: string[] = misspelt(schema, env);
  const unreadable = new Set<string>();
  const values: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== "") values[name] = value;
  }
  for (const name of options.secrets) {
    const path = env[`${name}_FILE`];
    if (path === undefined || path === "") continue;
    if (values[name] !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set: keep one of them`);
      continue;
    }
    try {
      values[name] = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    } catch (error) {
      unreadable.add(name);
      problems.push(`${name}_FILE: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0] ?? "");
      if (unreadable.has(name)) continue;
      if (name === "") problems.push(issue.message);
      else if (values[name] === undefined) problems.push(`${name} ${missing(issue)}`);
      else problems.push(`${name}: ${issue.message}`);
    }
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return deepFreeze(parsed.data);
}

/** A refinement across variables speaks for itself; a plain type error of an absent variable means that it is required. */
function missing(issue: z.core.$ZodIssue): string {
  return issue.code === "custom" ? issue.message : "is required";
}

function misspelt(schema: z.ZodObject, env: NodeJS.ProcessEnv): string[] {
  const known = new Set([...knownVariables, ...Object.keys(schema.shape)]);
  for (const name of Array.from(known)) known.add(`${name}_FILE`);
  const problems: string[] = [];
  for (const name of Object.keys(env)) {
    if (!name.startsWith("HELLOWAY_") || known.has(name)) continue;
    const suggestion = nearMiss(name, [...known]);
    if (suggestion !== null) problems.push(`${name} is not a variable of Helloway: did you mean ${suggestion}?`);
  }
  return problems;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
