import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readControlConfig } from "@helloway/control/config";
import { readConfig as readAgentConfig } from "@helloway/edge/config";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { variablesReadBy } from "../../tools/variables-read-by.ts";

const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
        environment: z.record(z.string(), z.string()).optional(),
        volumes: z.array(z.string()).optional(),
      }),
    ),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(readFileSync(new URL("compose.yaml", import.meta.url), "utf8")));

const repository = new URL("../../", import.meta.url);

const readBy: Record<string, Set<string>> = {
  control: variablesReadBy(readControlConfig),
  edge: variablesReadBy(readAgentConfig),
};

test("every variable that compose.yaml sets is one that the process reads", () => {
  for (const [service, names] of Object.entries(readBy)) {
    for (const name of Object.keys(compose.services[service]?.environment ?? {})) expect(names).toContain(name);
  }
});

test("every variable that a container file sets is one that the process reads", () => {
  for (const [service, names] of Object.entries(readBy)) {
    const text = readFileSync(new URL(`infra/containers/${service}.Containerfile`, repository), "utf8");
    const set = [...text.matchAll(/\b((?:HELLOWAY_|DATABASE_)[A-Z_]+)=/g)].map(([, name]) => name ?? "");
    expect(set.length).toBeGreaterThan(0);
    for (const name of set) expect(names).toContain(name);
  }
});

test("everything that a container file copies exists", () => {
  for (const service of Object.keys(readBy)) {
    const text = readFileSync(new URL(`infra/containers/${service}.Containerfile`, repository), "utf8");
    for (const [, sources] of text.matchAll(/^COPY (.+) \S+$/gm)) {
      for (const source of (sources ?? "").split(" "))
        expect(existsSync(fileURLToPath(new URL(source, repository)))).toBe(true);
    }
  }
});

test("every named volume is declared, and every container file that is built from exists", () => {
  for (const { build, volumes } of Object.values(compose.services)) {
    if (build !== undefined) expect(existsSync(new URL(build.dockerfile, repository))).toBe(true);
    for (const volume of volumes ?? []) {
      const [source = ""] = volume.split(":");
      if (!source.startsWith(".")) expect(Object.keys(compose.volumes)).toContain(source);
    }
  }
});
