# frozen_string_literal: true

# Events and results as JSON, with Lambda's conventions.
#
# The module has the name that it has in Lambda's own runtime, because functions may replace its two
# methods.
module AwsLambda
  # Between the bytes of the Runtime API and the values of the function.
  class Marshaller
    class << self
      # The event that the request holds; a body of another content type is passed on as it is.
      def marshall_request(raw_request)
        return raw_request.body unless raw_request['Content-Type'].to_s.start_with?('application/json')

        JSON.parse(raw_request.body.force_encoding(Encoding::UTF_8))
      end

      # The body of the answer, and its content type unless that is JSON. Streams are passed on as bytes.
      def marshall_response(method_response)
        stream = method_response.is_a?(IO) || (defined?(StringIO) && method_response.is_a?(StringIO))
        stream ? [method_response, 'application/unknown'] : method_response.to_json
      end
    end
  end
end
