// Runs before the first paint, so that a remembered theme does not flash; everything else is a module and waits.
try {
    const theme = localStorage.getItem("dinosearch.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
    // Storage may be forbidden; then the page looks as the system wants.
}
