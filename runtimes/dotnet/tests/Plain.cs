using System.IO;

namespace Example
{
    /// <summary>An assembly that references nothing of the vendor's.</summary>
    public static class Plain
    {
        public static Stream Handle(Stream input)
        {
            return input;
        }

        public static string NeedsSerializer(Stream input)
        {
            return "never";
        }

        public static Stream NeedsDeserializer(string input)
        {
            return null;
        }
    }
}
