"""Three mailboxes in a DynamoDB for tests: made and filled, then written to until the process is told to end.

mailboxes.py URL fill COUNT | mailboxes.py URL write
"""

import random
import signal
import sys

import boto3

TABLES = ["GameMailbox1", "GameMailbox2", "GameMailbox3"]
url, task = sys.argv[1:3]
dynamodb = boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1")


def key(table, number):
    return {"gameId": {"S": f"game{number % 7}-{table[-1]}"}, "mailId": {"S": f"mail{number}UserId_{number % 50}"}}


def put(table, number):
    user = {} if number % 10 == 0 else {"userId": {"S": str(number % 50)}}
    rewards = {"L": [{"M": {"gold": {"N": str(random.randrange(1000))}}}]}
    item = key(table, number) | user | {"rewards": rewards, "isRead": {"BOOL": random.random() < 0.5}}
    dynamodb.put_item(TableName=table, Item=item)


if task == "fill":
    for table in TABLES:
        dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "gameId", "KeyType": "HASH"},
                {"AttributeName": "mailId", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "gameId", "AttributeType": "S"},
                {"AttributeName": "mailId", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        for number in range(int(sys.argv[3])):
            put(table, number)
else:
    going = True

    def stop(*_):
        global going
        going = False

    signal.signal(signal.SIGTERM, stop)
    writes = 0
    while going:
        table = random.choice(TABLES)
        number = random.randrange(1500)
        if random.random() < 0.2:
            dynamodb.delete_item(TableName=table, Key=key(table, number))
        else:
            put(table, number)
        writes += 1
    print(writes)
