"""Structured logs and metrics by the vendor's toolkit, as its documentation shows them."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="payments", level="INFO")
metrics = Metrics(namespace="Shop", service="payments")


@logger.inject_lambda_context(correlation_id_path="headers.my_id", log_event=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict, context: LambdaContext):
    logger.append_keys(order=event["order"])
    logger.info("collecting payment")
    logger.debug("not at this level")
    metrics.add_dimension(name="kind", value="test")
    metrics.add_metric(name="Payments", unit=MetricUnit.Count, value=2)
    if event["order"] < 0:
        try:
            raise ValueError("no such order")
        except ValueError:
            logger.exception("refused")
            raise
    return {"paid": event["order"]}
