"""What one may do with a teacher's words, and which data may go to which teacher."""
