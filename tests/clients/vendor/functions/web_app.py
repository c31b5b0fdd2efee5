"""A FastAPI application behind an HTTP API, as Mangum's documentation shows it."""

import contextlib

from fastapi import FastAPI, HTTPException, Request, Response
from mangum import Mangum
from pydantic import BaseModel

state = {}


@contextlib.asynccontextmanager
async def lifespan(_app):
    state["started"] = True
    yield


class Order(BaseModel):
    item: str
    count: int = 1


app = FastAPI(lifespan=lifespan)


@app.get("/items/{number}")
async def item(number: int, request: Request, q: str | None = None):
    function = request.scope["aws.context"].function_name
    return {"number": number, "q": q, "started": state.get("started"), "function": function}


@app.post("/orders", status_code=201)
def order(order: Order, response: Response):
    response.set_cookie("last", order.item)
    return order


@app.get("/picture")
async def picture():
    return Response(bytes(range(256)), media_type="image/png")


@app.get("/lost")
async def lost():
    raise HTTPException(status_code=410, detail="lost")


handler = Mangum(app, lifespan="auto")
