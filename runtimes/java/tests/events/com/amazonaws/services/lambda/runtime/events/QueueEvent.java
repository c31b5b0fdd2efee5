package com.amazonaws.services.lambda.runtime.events;

import java.util.Date;
import java.util.List;

/** Built like the vendor's event classes: other capitals than the JSON has, no constructor to call. */
public class QueueEvent {
    private List<Message> records;

    public List<Message> getRecords() {
        return records;
    }

    public void setRecords(List<Message> records) {
        this.records = records;
    }

    public static class Message {
        private final String eventSourceArn;
        private final Date sentAt;
        private Boolean isBase64Encoded;

        public Message(String eventSourceArn, Date sentAt) {
            this.eventSourceArn = eventSourceArn;
            this.sentAt = sentAt;
        }

        public String getEventSourceArn() {
            return eventSourceArn;
        }

        public Date getSentAt() {
            return sentAt;
        }

        public Boolean getIsBase64Encoded() {
            return isBase64Encoded;
        }
    }
}
