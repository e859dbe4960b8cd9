// @peculiar/x509 wires itself with tsyringe, which refuses to load without metadata on Reflect. It keeps it under string keys on
// classes only; that much of https://rbuckton.github.io/reflect-metadata/ is here, defined when nobody else has.

type Metadata = Map<unknown, unknown>;

const metadataOf = new WeakMap<object, Metadata>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return metadataOf.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let holder: object | null = target; holder !== null; holder = Reflect.getPrototypeOf(holder)) {
    const metadata = metadataOf.get(holder);
    if (metadata?.has(key)) return metadata.get(key);
  }
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const metadata = metadataOf.get(target) ?? new Map<unknown, unknown>();
  metadata.set(key, value);
  metadataOf.set(target, metadata);
}

if (!("getMetadata" in Reflect)) Object.assign(Reflect, { getOwnMetadata, getMetadata, defineMetadata });
