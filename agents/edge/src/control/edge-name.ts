const nameLengthMax = 63;

/** 1 to 63 of a-z, 0-9 and hyphen, the first and the last no hyphen. */
export function isEdgeName(text: string): boolean {
  return text.length <= nameLengthMax && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

/** The name that a host gives its edge: "Web_1.example.com" -> "web-1-example-com"; null when nothing of it is usable. */
export function edgeNameOfHost(hostname: string): string | null {
  const name = hostname
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, nameLengthMax)
    .replace(/^-+|-+$/g, "");
  return isEdgeName(name) ? name : null;
}
