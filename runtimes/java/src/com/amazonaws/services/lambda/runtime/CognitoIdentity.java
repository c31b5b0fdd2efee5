package com.amazonaws.services.lambda.runtime;

/** An identity of Amazon Cognito. */
public interface CognitoIdentity {
    /** The identity's id. */
    String getIdentityId();

    /** The id of the pool that it belongs to. */
    String getIdentityPoolId();
}
