#!/bin/sh
# Open a tmux window with the application, as its queue alone, on the left and live panels of the same queue on the right.
#   scripts/tmux-dashboard.sh            a window in the tmux around us, else a new session
#   scripts/tmux-dashboard.sh --panels   panels only, for a machine where the application runs elsewhere
# SKYREELS_TUI names the program when it is not on the PATH; TMUX_COMMAND replaces plain `tmux`.
set -eu

# tmux hands its command to a shell: the program's path is one word of it, whatever letters it has.
program="'$(printf %s "${SKYREELS_TUI:-skyreels-tui}" | sed "s/'/'\\\\''/g")'"
tmux=${TMUX_COMMAND:-tmux}
session=skyreels

if ! command -v "${tmux%% *}" >/dev/null 2>&1; then
    echo "tmux-dashboard: tmux is not installed" >&2
    exit 1
fi

main="$program --only queue"
case ${1:-} in
    '') ;;
    --panels) main="$program panel queue" ;;
    *) echo "usage: tmux-dashboard.sh [--panels]" >&2; exit 2 ;;
esac

# $tmux stays unquoted: it may carry options such as -L NAME.
if [ -n "${TMUX:-}" ]; then
    first=$($tmux new-window -P -F '#{pane_id}' -n "$session" "$main")
elif $tmux has-session -t "=$session" 2>/dev/null; then
    exec $tmux attach-session -t "=$session"
else
    first=$($tmux new-session -d -P -F '#{pane_id}' -s "$session" -n dashboard -x 200 -y 50 "$main")
fi

# The right third, from top to bottom; each split takes its share of what is left below.
progress=$($tmux split-window -h -l 38% -t "$first" -P -F '#{pane_id}' "$program panel progress")
preview=$($tmux split-window -v -l 78% -t "$progress" -P -F '#{pane_id}' "$program panel preview")
memory=$($tmux split-window -v -l 62% -t "$preview" -P -F '#{pane_id}' "$program panel memory")
gpu=$($tmux split-window -v -l 60% -t "$memory" -P -F '#{pane_id}' "$program panel gpu")
$tmux split-window -v -l 45% -t "$gpu" "$program panel disk" >/dev/null
$tmux select-pane -t "$first"

if [ -z "${TMUX:-}" ] && [ -t 1 ]; then
    exec $tmux attach-session -t "=$session"
fi
