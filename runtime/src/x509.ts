/** @peculiar/x509, which cannot be imported directly: see metadata-reflection.ts. */
import "./metadata-reflection.ts";

export * from "@peculiar/x509";
