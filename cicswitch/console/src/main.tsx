import { render } from "preact";
import { me, whoAmI } from "./api";
import { App } from "./app";
import { tellError } from "./parts/basics";
import "./style.css";

const root = document.getElementById("app");
if (root) render(<App />, root);

async function begin(): Promise<void> {
  while (me.value === undefined) {
    try {
      await whoAmI();
    } catch (error) {
      tellError(error);
      await new Promise((done) => setTimeout(done, 3000));
    }
  }
}

void begin();
