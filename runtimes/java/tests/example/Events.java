package example;

import com.amazonaws.services.lambda.runtime.events.QueueEvent;

/** Takes an event class of the vendor's kind. */
public class Events {
    public String handle(QueueEvent event) {
        QueueEvent.Message message = event.getRecords().get(0);
        return message.getEventSourceArn() + " " + message.getSentAt().getTime() + " " + message.getIsBase64Encoded();
    }
}
