// Files in the widget's chat: chosen, uploaded, shown. Only pictures are shown, all else is saved.

export type Kept = { digest: string; name: string };
export type Shown = Kept & { media_type: string; size: number };
type Going = { name: string; digest: string; failed: string };

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LARGEST = 10_000_000;

const FILE_WORDS = {
  en: {
    attach: "Attach files",
    uploading: "being uploaded …",
    remove: "Do not send {name}",
    failed: "it could not be sent",
    gone: "it cannot be had",
  },
  ko: {
    attach: "파일 첨부",
    uploading: "올리는 중 …",
    remove: "{name} 보내지 않기",
    failed: "보내지 못했습니다",
    gone: "받을 수 없습니다",
  },
};

function size(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.max(1, Math.round(bytes / 1000))} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export class Files {
  private going: Going[] = [];
  private box: HTMLElement | null = null;
  private clip: HTMLButtonElement | null = null;

  constructor(
    private readonly url: string,
    private readonly language: "en" | "ko",
    private readonly secret: () => string,
  ) {}

  /** Whether all that was chosen is uploaded. */
  get ready(): boolean {
    return this.going.every((each) => each.digest);
  }

  get some(): boolean {
    return this.going.length > 0;
  }

  /** What goes with a message that is sent now. */
  taken(): Kept[] {
    const files = this.going.map(({ digest, name }) => ({ digest, name }));
    this.going = [];
    this.redraw();
    return files;
  }

  build(box: HTMLElement, before: HTMLElement): void {
    this.box = box;
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.hidden = true;
    const clip = document.createElement("button");
    clip.type = "button";
    clip.className = "clip";
    clip.textContent = FILE_WORDS[this.language].attach;
    clip.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      for (const file of Array.from(input.files ?? [])) void this.upload(file);
      input.value = "";
    });
    before.after(clip, input);
    this.clip = clip;
  }

  show(live: boolean): void {
    if (this.clip) this.clip.hidden = !live;
  }

  private async ask(path: string, more: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.secret()}` };
    const reply = await fetch(this.url + path, { ...more, headers, credentials: "omit" });
    if (reply.ok) return reply;
    const told = await reply.json().catch(() => ({}));
    throw new Error(told.detail || told.title || String(reply.status));
  }

  private async upload(file: File): Promise<void> {
    const made: Going = { name: file.name || "file", digest: "", failed: "" };
    this.going.push(made);
    this.redraw();
    try {
      const path = `?name=${encodeURIComponent(made.name)}`;
      const reply = await this.ask(path, { method: "POST", body: new Blob([file]) });
      made.digest = ((await reply.json()) as Shown).digest;
    } catch (error) {
      const why = error instanceof TypeError ? "" : (error as Error).message;
      made.failed = why || FILE_WORDS[this.language].failed;
    }
    this.redraw();
  }

  private redraw(): void {
    const words = FILE_WORDS[this.language];
    this.box?.replaceChildren(
      ...this.going.map((each) => {
        const line = document.createElement("div");
        const text = document.createElement("span");
        const state = each.failed || (each.digest ? "" : words.uploading);
        text.textContent = state ? `${each.name}: ${state}` : each.name;
        if (each.failed) line.setAttribute("role", "alert");
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "×";
        remove.setAttribute("aria-label", words.remove.replace("{name}", each.name));
        remove.addEventListener("click", () => {
          this.going = this.going.filter((other) => other !== each);
          this.redraw();
        });
        line.append(text, remove);
        return line;
      }),
    );
  }

  /** The files of a message. */
  list(files: Shown[]): HTMLElement {
    const list = document.createElement("div");
    list.className = "files";
    for (const file of files) list.append(this.one(file));
    return list;
  }

  private one(file: Shown): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "file";
    const name = document.createElement("span");
    name.textContent = `${file.name} (${size(file.size)})`;
    button.append(name);
    const picture = PICTURES.includes(file.media_type);
    const load = async (): Promise<string> => {
      const raw = await (await this.ask(`/${file.digest}`)).arrayBuffer();
      const type = picture ? file.media_type : "application/octet-stream";
      return URL.createObjectURL(new Blob([raw], { type }));
    };
    if (picture && file.size <= LARGEST)
      void load().then(
        (url) => {
          const image = document.createElement("img");
          image.alt = "";
          image.onload = () => URL.revokeObjectURL(url);
          image.src = url;
          button.prepend(image);
        },
        () => undefined,
      );
    button.addEventListener("click", () => {
      load().then(
        (url) => {
          const link = document.createElement("a");
          link.href = url;
          link.download = file.name;
          link.click();
          window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
        },
        () => {
          name.textContent = `${file.name}: ${FILE_WORDS[this.language].gone}`;
        },
      );
    });
    return button;
  }
}
