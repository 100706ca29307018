"""HTTP: handlers that check, call one service and answer."""
