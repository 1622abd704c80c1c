"use strict";

// One request for each of the two forms. The server answers with one JSON object a line: steps as they come, then how
// it ended. All texts for people come from the server; everything is put in place as text, never as markup.

const byId = (id) => document.getElementById(id);
byId("no-script").hidden = true;
const said = document.body.dataset;
const MARKS = { running: "", ok: "✓", warning: "!", failed: "✕" };

const choice = () => document.querySelector("input[name=transport]:checked").value;
const transport = () => (choice() === "rtm" ? "rtm" : "socket");
// What the bot's programs speak, where the choice says it.
const PROGRAMS = { socket: "socket", "rtm-program": "rtm" };
const place = () => (byId("places").hidden ? "keyring" : document.querySelector("input[name=place]:checked").value);

function showChoice() {
  for (const part of document.querySelectorAll("[data-for]")) {
    part.hidden = !part.dataset.for.split(" ").includes(choice());
  }
  forgetCheck();
}

// What was checked counts only for what was checked.
function forgetCheck() {
  byId("naming").hidden = true;
  byId("check-steps").replaceChildren();
  byId("keep-steps").replaceChildren();
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

function showStep(list, step) {
  let item = list.querySelector(`[data-step="${step.name}"]`);
  if (!item) {
    item = document.createElement("li");
    item.dataset.step = step.name;
    list.append(item);
  }
  const mark = document.createElement("span");
  mark.className = "mark";
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = MARKS[step.outcome];
  const word = document.createElement("span");
  word.className = "hidden";
  word.textContent = `${said[step.outcome]}: `;
  const text = document.createElement("span");
  text.append(word, step.text);
  if (step.offer) text.append(" ", offered(step.offer));
  item.dataset.outcome = step.outcome;
  item.replaceChildren(mark, text);
}

// A button that takes the other way to connect which a refusal left open.
function offered(way) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = said.rtmProgram;
  button.addEventListener("click", () => {
    document.querySelector(`input[name=transport][value="${way}"]`).checked = true;
    byId("token").value = ""; // the new app has one of its own
    showChoice();
    byId("h-app").focus();
  });
  return button;
}

// Ask the server, show each step in `list`; gives how it ended.
async function ask(what, request, list) {
  list.replaceChildren();
  const steps = [];
  try {
    const answer = await fetch(what, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
    if (answer.status === 409) {
      showStep(list, { name: "lost", outcome: "failed", text: said.busy });
      return { end: "failed", steps };
    }
    if (!answer.ok) throw new Error("refused");
    for await (const line of lines(answer.body)) {
      if (line.end) return { ...line, steps };
      steps.push(line);
      showStep(list, line);
    }
    throw new Error("cut off");
  } catch {
    showStep(list, { name: "lost", outcome: "failed", text: said.lost });
    return { end: "lost", steps };
  }
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

// A disabled button would lose the focus, and a screen reader its place.
function working(button, is) {
  button.setAttribute("aria-disabled", String(is));
}

const isWorking = (button) => button.getAttribute("aria-disabled") === "true";

function failedField(steps) {
  const failed = steps.find((step) => step.outcome === "failed");
  if (!failed) return null;
  if (failed.name === "address") return byId("api_url");
  if (failed.name === "name") return byId("name");
  if (["bot_token", "identity"].includes(failed.name) || transport() === "rtm") return byId("token");
  return byId("app_token");
}

async function check(event) {
  event.preventDefault();
  const button = byId("check-button");
  if (isWorking(button)) return;
  forgetCheck();
  working(button, true);
  const request = {
    transport: transport(),
    token: byId("token").value,
    app_token: transport() === "socket" ? byId("app_token").value : "",
    api_url: byId("api_url").value,
    programs: PROGRAMS[choice()] ?? null,
  };
  const { end, name, steps } = await ask("check", request, byId("check-steps"));
  working(button, false);
  if (end === "passed") {
    askName(name, request);
  } else if (end === "failed") {
    const field = failedField(steps);
    if (!field) return;
    if (field.closest("details")) field.closest("details").open = true;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

// The server holds the tokens from here on; the page lets go of them.
function askName(name, request) {
  for (const part of document.querySelectorAll("[data-token]")) part.hidden = !request[part.dataset.token].trim();
  byId("token").value = byId("app_token").value = "";
  byId("taken").hidden = byId("places").hidden = true;
  byId("replace").checked = false;
  byId("name").value = name;
  byId("naming").hidden = false;
  byId("name").focus();
  byId("name").select();
}

async function keep(event) {
  event.preventDefault();
  const button = byId("keep-button");
  if (isWorking(button)) return;
  working(button, true);
  byId("name").removeAttribute("aria-invalid");
  const request = {
    name: byId("name").value,
    place: place(),
    variable: byId("variable").value,
    app_variable: byId("app_variable").value,
    replace: !byId("taken").hidden && byId("replace").checked,
  };
  const { end, steps } = await ask("keep", request, byId("keep-steps"));
  working(button, false);
  byId("taken").hidden = end !== "taken" && !request.replace;
  if (end === "taken") {
    byId("name").focus();
  } else if (end === "no_keyring") {
    byId("no-keyring").textContent = steps.find((step) => step.outcome === "failed").text;
    byId("keep-steps").replaceChildren();
    byId("places").hidden = false;
    document.querySelector("input[name=place]:checked").focus();
  } else if (end === "online" || end === "kept") {
    finish(end, steps);
  } else if (end === "failed" && steps.some((step) => step.name === "name")) {
    byId("name").setAttribute("aria-invalid", "true");
    byId("name").focus();
  }
}

function finish(end, steps) {
  for (const part of document.querySelectorAll(".before, #h-name, #keep")) part.hidden = true;
  for (const field of document.querySelectorAll("input, button")) field.disabled = true;
  byId("done").dataset.end = end;
  byId("h-done").textContent = steps.at(-1).text;
  byId("done").hidden = false;
  byId("h-done").focus();
}

async function copy(event) {
  const button = event.currentTarget;
  const text = byId(button.dataset.copies);
  const result = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(text.textContent);
    result.textContent = said.copied;
  } catch {
    getSelection().selectAllChildren(text);
    result.textContent = said.notCopied;
  }
}

byId("check").addEventListener("submit", check);
byId("keep").addEventListener("submit", keep);
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", copy);
byId("choice").addEventListener("change", showChoice);
byId("places").addEventListener("change", () => {
  byId("variables").hidden = place() !== "env";
});
for (const id of ["token", "app_token", "api_url"]) byId(id).addEventListener("input", forgetCheck);
byId("name").addEventListener("input", () => {
  byId("taken").hidden = true;
  byId("replace").checked = false;
});
showChoice();
