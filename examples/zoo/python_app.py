"""A FastAPI application: every path answers with its own name; /ws echoes over a WebSocket."""

import os

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

# Which of several running copies answered.
INSTANCE = os.environ.get("INSTANCE", "python")


@app.websocket("/ws")
async def echo(socket: WebSocket):
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"{INSTANCE}: {await socket.receive_text()}")
    except WebSocketDisconnect:
        pass


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "HEAD"])
async def any_path(request: Request):
    return PlainTextResponse(f"I'm Python!\r\n[{request.url.path}]\r\n",
                             headers={"x-instance": INSTANCE})
