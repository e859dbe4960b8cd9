/** An object as it is answered. */
export interface ObjectView<Spec, Status> {
  name: string;
  labels: Record<string, string>;
  description: string;
  managedBy: string;
  spec: Spec;
  status: Status;
  /** The ETag: one more with every change. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** A whole object as somebody writes it. */
export interface Put<Spec> {
  labels: Record<string, string>;
  description: string;
  /** Who writes it; empty: nobody in particular. */
  managedBy: string;
  spec: Spec;
}

/** The columns that every object has. */
interface DescribedRow {
  name: string;
  labels: Record<string, string>;
  description: string;
  managedBy: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The part of a view that is the same for every kind of object. */
export function toObjectView<Spec, Status>(row: DescribedRow, spec: Spec, status: Status): ObjectView<Spec, Status> {
  const { name, labels, description, managedBy, version, createdAt, updatedAt } = row;
  return { name, labels, description, managedBy, spec, status, version, createdAt, updatedAt };
}
