// The shapes of the API, from its own OpenAPI document.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Account = Schemas["Account"];
export type AgentView = Schemas["AgentView"];
export type AuditEntry = Schemas["AuditEntry"];
export type CallbackView = Schemas["CallbackView"];
export type Codes = Schemas["Codes"];
export type DeviceView = Schemas["DeviceView"];
export type Explained = { text: string[] };
export type Finding = Schemas["Finding"];
export type InteractionView = Schemas["InteractionView"];
export type Me = Schemas["Me"];
export type QueueView = Schemas["QueueView"];
export type ReportView = Schemas["ReportView"];
export type Role = Account["role"];
export type Session = Schemas["Session"];
export type Skills = Schemas["AgentSkills"];
export type SignedIn = Schemas["SignedIn"];
export type Token = Schemas["Token"];
export type TokenMade = Schemas["TokenMade"];
export type Trace = Schemas["Trace"];
export type TrunkView = Schemas["TrunkView"];
export type FieldError = Schemas["FieldError"];
