import { readFileSync } from "node:fs";
import { readControlConfig } from "@helloway/control/config";
import { readConfig as readAgentConfig } from "@helloway/edge/config";
import { readEnvironment } from "@helloway/runtime/environment";
import { knownVariables } from "@helloway/runtime/known-variables";
import { expect, test } from "vitest";
import { demoEnvironment } from "../services/cli/src/demo/demo-environment.ts";
import { repository } from "./repository.ts";
import { variablesReadBy } from "./variables-read-by.ts";

const text = readFileSync(`${repository}docs/configuration.md`, "utf8");

/** First cells of the table under the heading, with the variables in them. */
function documented(heading: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name ?? "").toSorted();
}

/** A secret's file is documented once for all, and so is what every process reads. */
function own(names: Set<string>): string[] {
  const shared = documented("All processes");
  return [...names].filter((name) => !name.endsWith("_FILE") && !shared.includes(name)).toSorted();
}

test("docs/configuration.md names exactly what the control plane reads", () => {
  expect(documented("Control plane")).toEqual(own(variablesReadBy(readControlConfig)));
});

test("docs/configuration.md names exactly what the agent reads", () => {
  expect(documented("Agent")).toEqual(own(variablesReadBy(readAgentConfig)));
});

test("docs/configuration.md names exactly what every process reads", () => {
  const readDemo = (env: NodeJS.ProcessEnv): unknown => readEnvironment(demoEnvironment, env, { secrets: [] });
  expect(documented("All processes")).toEqual([...variablesReadBy(readDemo)].toSorted());
});

test("docs/configuration.md names every secret that can be given as a file", () => {
  const files = [...variablesReadBy(readControlConfig), ...variablesReadBy(readAgentConfig)].filter((name) =>
    name.endsWith("_FILE"),
  );
  for (const name of files) expect(text).toContain(`\`${name}\``);
});

test("every variable that a process reads is known to the search for misspelt ones", () => {
  const read = [...variablesReadBy(readControlConfig), ...variablesReadBy(readAgentConfig)];
  expect(read.filter((name) => !name.endsWith("_FILE") && !knownVariables.includes(name))).toEqual([]);
});
