import { fileURLToPath } from "node:url";
import { nextMessage } from "./ask.ts";
import type { Lab, LabProcess, Place } from "./lab.ts";
import type { BackendPorts } from "./work.ts";

/** The load generator, ready for work (work.ts). */
export async function startLoad(lab: Lab): Promise<LabProcess> {
  const load = startOwn(lab, "./load-process.ts", "load");
  await nextMessage(load);
  return load;
}

/** The backends of our own. */
export async function startBackends(lab: Lab, place: Place = "load"): Promise<BackendPorts> {
  return await nextMessage<BackendPorts>(startOwn(lab, "./backend-process.ts", place));
}

function startOwn(lab: Lab, file: string, place: Place): LabProcess {
  return lab.start(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], place, { ipc: true });
}
