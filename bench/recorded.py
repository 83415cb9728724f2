#!/usr/bin/env python3
"""A DynamoDB whose Scan gives recorded answers as fast as a socket takes them: one table of items of about 300 bytes.

It knows DescribeTable and Scan by segments, and nothing else. `recorded.py ITEMS` prints its port once it listens.
"""

import json
import socket
import sys
import threading

TABLE = "Users"
# 1 MB, as DynamoDB cuts its pages.
ITEMS_PER_PAGE = 3400


def item(number: int) -> str:
    return (f'{{"id":{{"S":"user-{number:08d}"}},"visits":{{"N":"{number}"}},"email":{{"S":"user{number}@example.com"}},'
            f'"active":{{"BOOL":true}},"city":{{"S":"Springfield"}},"score":{{"N":"{number % 1000}.5"}},'
            f'"note":{{"S":"{"x" * 80}"}},"tags":{{"SS":["a","b"]}}}}')


class Recorded:
    def __init__(self, items: int):
        self.items = items
        self.pages = []
        for start in range(0, items, ITEMS_PER_PAGE):
            page = [item(number) for number in range(start, min(items, start + ITEMS_PER_PAGE))]
            count = f'"Count":{len(page)},"ScannedCount":{len(page)}'
            capacity = f'"ConsumedCapacity":{{"TableName":"{TABLE}","CapacityUnits":128.0}}'
            self.pages.append(f'{{"Items":[{",".join(page)}],{count},{capacity}'.encode())

    def answer(self, operation: str, request: dict) -> bytes:
        if operation == "DescribeTable":
            return json.dumps({"Table": {
                "TableName": TABLE, "TableArn": f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}",
                "TableId": "recorded", "TableStatus": "ACTIVE", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "ItemCount": self.items,
                "TableSizeBytes": self.items * 300}}).encode()
        if "Limit" in request:
            # A sample.
            return self.pages[0] + b"}"
        mine = range(request.get("Segment", 0), len(self.pages), request.get("TotalSegments", 1))
        place = int(request["ExclusiveStartKey"]["id"]["S"]) if "ExclusiveStartKey" in request else 0
        if place >= len(mine):
            return b'{"Items":[],"Count":0,"ScannedCount":0}'
        more = f',"LastEvaluatedKey":{{"id":{{"S":"{place + 1}"}}}}' if place + 1 < len(mine) else ""
        return self.pages[mine[place]] + more.encode() + b"}"

    def serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while stream.readline():
            headers = {}
            while line := stream.readline().strip():
                name, value = line.split(b":", 1)
                headers[name.lower()] = value.strip().decode()
            request = json.loads(stream.read(int(headers.get(b"content-length", 0))))
            body = self.answer(headers[b"x-amz-target"].rsplit(".", 1)[1], request)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                               b"Content-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)


def main() -> None:
    recorded = Recorded(int(sys.argv[1]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=recorded.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
