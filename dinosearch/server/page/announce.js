// What is said to those who do not see the page change, and short messages to everybody.

const status = document.getElementById("status");
const toast = document.getElementById("toast");
let waiting = 0;
let leaving = 0;

/** Say it politely; of several in a row only the last is said. */
export function announce(text) {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
        status.textContent = text;
    }, 120);
}

/** Show a message for some seconds; it is read out too. */
export function tell(text) {
    clearTimeout(leaving);
    toast.hidden = false;
    toast.textContent = text;
    leaving = setTimeout(() => {
        toast.hidden = true;
    }, 6000);
}
