// The widget's form of who wants to be called: a number, a time, and what it is about.

const WORDS = {
  en: {
    number: "Your telephone number",
    name: "Your name",
    when: "When",
    soon: "As soon as possible",
    at: "At a time",
    time: "Day and time",
    note: "What is it about?",
    send: "Call me",
    close: "Cancel",
    bad: "Please give a telephone number.",
    refused: "We cannot call this number.",
    past: "Please choose a time in the next 60 days.",
    failed: "That did not work. Please try again.",
    promised: "We will call you as soon as it is your turn.",
    promised_at: "We will call you. Not before",
  },
  ko: {
    number: "전화번호",
    name: "이름",
    when: "시간",
    soon: "가능한 한 빨리",
    at: "시간 지정",
    time: "날짜와 시간",
    note: "문의 내용",
    send: "전화 요청",
    close: "취소",
    bad: "전화번호를 입력해 주세요.",
    refused: "이 번호로는 전화할 수 없습니다.",
    past: "60일 이내의 시간을 선택해 주세요.",
    failed: "요청하지 못했습니다. 다시 시도해 주세요.",
    promised: "순서가 되면 전화드리겠습니다.",
    promised_at: "전화드리겠습니다. 예정 시각 이후:",
  },
};
type Word = keyof (typeof WORDS)["en"];

export class CallMe {
  constructor(
    private readonly where: string,
    private readonly language: "en" | "ko",
    private readonly name: string,
    private readonly place: HTMLElement,
    private readonly changed: (said: string) => void,
  ) {}

  get isOpen(): boolean {
    return !this.place.hidden;
  }

  open(): void {
    const word = (name: Word): string => WORDS[this.language][name];
    this.place.innerHTML = `<form novalidate>
      <label>${word("number")}<input name="number" type="tel" autocomplete="tel" required maxlength="40"></label>
      <label>${word("name")}<input name="name" autocomplete="name" maxlength="80"></label>
      <label>${word("when")}<select name="when">
        <option value="soon">${word("soon")}</option><option value="at">${word("at")}</option>
      </select></label>
      <label class="time" hidden>${word("time")}<input name="time" type="datetime-local"></label>
      <label>${word("note")}<textarea name="note" rows="2" maxlength="500"></textarea></label>
      <p class="wrong" role="alert"></p>
      <div class="line"><button>${word("send")}</button>
        <button type="button" data-word="close_form" aria-pressed="false">${word("close")}</button></div>
    </form>`;
    const form = this.place.querySelector("form") as HTMLFormElement;
    this.field("name").value = this.name;
    this.field("when").addEventListener("change", () => {
      this.piece(".time").hidden = this.field("when").value !== "at";
    });
    this.piece("[data-word=close_form]").addEventListener("click", () => this.close(""));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
    this.place.hidden = false;
    this.field("number").focus();
  }

  private close(said: string): void {
    this.place.hidden = true;
    this.place.replaceChildren();
    this.changed(said);
  }

  private async send(): Promise<void> {
    const word = (name: Word): string => WORDS[this.language][name];
    const wrong = this.piece(".wrong");
    const button = this.piece<HTMLButtonElement>("form button");
    const number = this.field("number").value.trim();
    const later = this.field("when").value === "at";
    const at = later ? new Date(this.field("time").value).getTime() / 1000 : 0;
    wrong.textContent = "";
    if (!/\d{2}/.test(number)) {
      wrong.textContent = word("bad");
      this.field("number").focus();
      return;
    }
    if (!(at >= 0) || (later && at < Date.now() / 1000)) {
      wrong.textContent = word("past");
      this.field("time").focus();
      return;
    }
    button.disabled = true;
    try {
      const answer = await fetch(this.where, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          number,
          at,
          zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "",
          name: this.field("name").value.slice(0, 80),
          note: this.field("note").value.slice(0, 500),
          language: this.language,
        }),
      });
      if (answer.status === 422) {
        wrong.textContent = word(later && (await answer.text()).includes("/at") ? "past" : "refused");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const promised = (await answer.json()) as { at: number };
      const time = new Date(promised.at * 1000).toLocaleString(this.language, {
        dateStyle: "medium",
        timeStyle: "short",
      });
      this.close(promised.at ? `${word("promised_at")} ${time}` : word("promised"));
    } catch {
      wrong.textContent = word("failed");
    } finally {
      button.disabled = false;
    }
  }

  private field(name: string): HTMLInputElement {
    return this.piece<HTMLInputElement>(`[name=${name}]`);
  }

  private piece<T extends HTMLElement = HTMLElement>(what: string): T {
    return this.place.querySelector(what) as T;
  }
}
