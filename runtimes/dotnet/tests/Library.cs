namespace Library
{
    /// <summary>An assembly of its own.</summary>
    public static class Greeting
    {
        public static string Text()
        {
            return "hello from a library";
        }
    }
}
