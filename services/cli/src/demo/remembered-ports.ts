import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const portsSchema = z.record(z.string(), z.int().min(1).max(65_535));

/** By the backend's name. Empty when there was no earlier run, or none that can be read. */
export async function readPorts(dataDirectory: string): Promise<Record<string, number>> {
  try {
    return portsSchema.parse(JSON.parse(await readFile(portsFile(dataDirectory), "utf8")));
  } catch {
    return {};
  }
}

export async function writePorts(dataDirectory: string, ports: Record<string, number>): Promise<void> {
  await writeFile(portsFile(dataDirectory), `${JSON.stringify(ports)}\n`);
}

function portsFile(dataDirectory: string): string {
  return join(dataDirectory, "demo", "ports.json");
}
