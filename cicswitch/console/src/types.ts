// The shapes of the API, from its own OpenAPI document.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type AlertView = Schemas["AlertView"];
export type Account = Schemas["Account"];
export type AgentToday = Schemas["AgentToday"];
export type AgentView = Schemas["AgentView"];
export type AuditEntry = Schemas["AuditEntry"];
export type ChatMessage = Schemas["ChatMessage"];
export type ChatMessages = Schemas["ChatMessages"];
export type ChatRoom = Schemas["ChatRoom"];
export type CallbackView = Schemas["CallbackView"];
export type Codes = Schemas["Codes"];
export type ContactView = Schemas["ContactView"];
export type AttachmentView = Schemas["AttachmentView"];
export type ConversationView = Schemas["ConversationView"];
export type DeviceView = Schemas["DeviceView"];
export type DocumentSaved = Schemas["DocumentSaved"];
export type DocumentView = Schemas["DocumentView"];
export type Explained = { text: string[] };
export type FaxView = Schemas["FaxView"];
export type Finding = Schemas["Finding"];
export type InteractionView = Schemas["InteractionView"];
export type MessageView = Schemas["MessageView"];
export type Me = Schemas["Me"];
export type PhoneSettings = Schemas["PhoneSettings"];
export type NamedDocument = Schemas["NamedDocument"];
export type NoteView = Schemas["NoteView"];
export type PartyView = Schemas["PartyView"];
export type PromptView = Schemas["PromptView"];
export type QueueView = Schemas["QueueView"];
export type RecordingView = Schemas["RecordingView"];
export type ReportView = Schemas["ReportView"];
export type Role = Account["role"];
export type Session = Schemas["Session"];
export type Skills = Schemas["AgentSkills"];
export type AnswerView = Schemas["AnswerView"];
export type Begun = Schemas["Begun"];
export type Provider = Schemas["Provider"];
export type SignedIn = Schemas["SignedIn"];
export type Token = Schemas["Token"];
export type TokenMade = Schemas["TokenMade"];
export type Trace = Schemas["Trace"];
export type TrunkView = Schemas["TrunkView"];
export type Waveform = Schemas["Waveform"];
export type FieldError = Schemas["FieldError"];
