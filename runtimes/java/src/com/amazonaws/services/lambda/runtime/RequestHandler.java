package com.amazonaws.services.lambda.runtime;

/**
 * A function that takes one object and returns one; both are JSON outside.
 *
 * @param <I> what the event is turned into
 * @param <O> what is turned into the response
 */
public interface RequestHandler<I, O> {
    /** Handles one event. */
    O handleRequest(I input, Context context);
}
